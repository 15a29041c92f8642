-- By hand: what the heatmap question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
-- The twenty elements clicked most, with the clicks and the persons of each. Of the depths 0, 5, ... 100 the visits that
-- reached each and the persons who did, from the number in each slot and the deepest of each person.
SELECT * FROM (
  SELECT sum(placed) AS clicks, sumIf(n, element) AS of_elements,
    arraySlice(arraySort(e -> -toInt64(e.2), groupArrayIf((path, n, people), element)), 1, 20) AS elements
  FROM (
    WITH lower(string_properties['element_type']) AS tag
    SELECT tag IN ('a', 'button', 'input', 'select', 'textarea') OR (tag = 'svg' AND string_properties['element_href'] != '') AS element,
      if(element, string_properties['element_path'], '') AS path, count() AS n,
      countIf(mapContains(number_properties, 'amount')) AS placed, uniqExactIf({person}, element) AS people
    FROM events WHERE {seen} AND name = 'click' GROUP BY element, path)) AS a
CROSS JOIN (
  SELECT groupArray((x, x)) AS points FROM (
    SELECT number_properties['amount'] AS x FROM events
    WHERE {seen} AND name = 'click' AND mapContains(number_properties, 'amount')
    ORDER BY sipHash64(message_id), x LIMIT 7000)) AS b
CROSS JOIN (
  SELECT sum(n) AS visits, sumMap([slot], [n]) AS views FROM (
    SELECT least(20, intDiv(toUInt32(number_properties['amount']), 5)) AS slot, count() AS n
    FROM events WHERE {seen} AND name = 'search' GROUP BY slot)) AS c
CROSS JOIN (
  SELECT sumMap([slot], [n]) AS people FROM (
    SELECT least(20, intDiv(toUInt32(deepest), 5)) AS slot, count() AS n FROM (
      SELECT max(number_properties['amount']) AS deepest
      FROM events WHERE {seen} AND name = 'search' GROUP BY {person}) GROUP BY slot)) AS d
