"""The dictionaries that stand for one project's person map.

One FLAT array is the fastest form there is, and it is made as a whole. So a large project has one
for what held up to a sequence (*below*), made anew now and then beside the questions, and a small
hashed one over it for what moved since, which is all that a fresh question waits for.

Each says what held at one sequence and never changes: a question keeps those it began with, and an
old one can be asked again.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

# The project stands in the text as hexadecimal digits: a dictionary's source binds nothing. Rows
# lie in the order of the groups, so that making them takes no memory.
_CREATE: Final = """
CREATE OR REPLACE DICTIONARY {name} (ident_no UInt64, person_no UInt32 DEFAULT 0)
PRIMARY KEY ident_no
SOURCE(CLICKHOUSE(QUERY '
  SELECT toUInt64(m.ident_no) AS ident_no, argMax(m.person_no, m.sequence) AS person_no
  FROM person_map AS m WHERE project_id = unhex(''{project}'') AND {rows}
  GROUP BY m.ident_no {having} SETTINGS optimize_aggregation_in_order = 1'))
LAYOUT({layout})
LIFETIME(0)
"""
_ARRAY: Final = "FLAT(INITIAL_ARRAY_SIZE 1024 MAX_ARRAY_SIZE 200000000)"
# Who is an own person is not in the array: a number stands for itself where nothing is said.
_MOVED: Final = "HAVING person_no != m.ident_no"


@dataclass(frozen=True, slots=True)
class Layers:
    """Who was whose at the sequence ``upto``.

    ``base``: the sequence up to which the array below holds everything; 0: there is none below.
    """

    project_id: str
    upto: int
    base: int = 0
    hashed: bool = False
    """Whether the upper layer is a hash: smaller than an array where few identifiers moved."""

    @property
    def top(self) -> str:
        """What is made anew when something moved."""
        return f"{dictionary_name(self.project_id)}_{self.base}_{self.upto}"

    @property
    def below(self) -> str:
        """The large one, which layers of the same base share; empty without one."""
        return f"{dictionary_name(self.project_id)}_{self.base}_below" if self.base else ""

    @property
    def names(self) -> list[str]:
        """Both of them, the lower first."""
        return [name for name in (self.below, self.top) if name]

    def expression(self, column: str) -> str:
        """The person of an identifier number in a column."""
        if not self.base:
            return _looked_up(self.top, column)
        # 0, which is nobody, where nothing moved since. Sums, for all that branches copy columns.
        moved = f"dictGet('{self.top}', 'person_no', toUInt64({column}))"
        return f"toUInt32({moved} + {_looked_up(self.below, column)} * ({moved} = 0))"

    def definitions(self) -> list[str]:
        """The statements that make them, in the order of ``names``."""
        project = self.project_id.encode().hex()

        def made(name: str, rows: str, having: str, layout: str) -> str:
            return _CREATE.format(
                name=name, project=project, rows=rows, having=having, layout=layout
            )

        held = f"m.sequence <= {self.upto}"
        if not self.base:
            return [made(self.top, held, _MOVED, "HASHED" if self.hashed else _ARRAY)]
        return [
            made(self.below, f"m.sequence <= {self.base}", _MOVED, _ARRAY),
            # Who came back to an own person must stand in it: the array below says otherwise.
            made(self.top, f"m.sequence > {self.base} AND {held}", "", "HASHED"),
        ]


def _looked_up(name: str, column: str) -> str:
    return f"dictGetOrDefault('{name}', 'person_no', toUInt64({column}), {column})"


def dictionary_name(project_id: str) -> str:
    """The name of a project's dictionary: an identifier, whatever the project is called."""
    return "persons_" + sha256(project_id.encode()).hexdigest()[:24]
