-- By hand: what the attribute question of analytics_bench.py asks. {population} are the persons, of now.
SELECT city, known, count(), countIf(aged), sumIf(age, aged)
FROM (
  SELECT a.age AS age, a.aged AS aged, c.city AS city, c.known AS known
  FROM {population} AS p
  LEFT ANY JOIN (
    SELECT person_no AS aged_no, argMax(type, sequence) = 2 AS aged,
      toInt128(round(argMax(number_value, sequence) * 10000)) AS age
    FROM trait WHERE project_id = 'bench' AND trait = 'age' AND sequence <= 5
      AND valid_from <= fromUnixTimestamp64Milli({as_of}, 'UTC') GROUP BY person_no) AS a ON p.person_no = a.aged_no
  LEFT ANY JOIN (
    SELECT person_no AS city_no, argMax(type, sequence) = 1 AS known, argMax(string_value, sequence) AS city
    FROM trait WHERE project_id = 'bench' AND trait = 'city' AND sequence <= 5
      AND valid_from <= fromUnixTimestamp64Milli({as_of}, 'UTC') GROUP BY person_no) AS c ON p.person_no = c.city_no)
GROUP BY GROUPING SETS ((city, known), ()) ORDER BY known DESC, count() DESC, city
