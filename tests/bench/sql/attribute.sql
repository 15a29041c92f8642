-- By hand: what the attribute question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT city, count(), countIf(aged), sumIf(age, aged)
FROM (
  SELECT a.number_value AS age, a.aged_no > 0 AS aged, c.string_value AS city
  FROM (SELECT DISTINCT person_no FROM person WHERE project_id = 'bench') AS p
  LEFT ANY JOIN (
    SELECT person_no AS aged_no, argMax(number_value, sequence) AS number_value FROM trait
    WHERE project_id = 'bench' AND trait = 'age' GROUP BY person_no) AS a ON p.person_no = a.aged_no
  LEFT ANY JOIN (
    SELECT person_no AS city_no, argMax(string_value, sequence) AS string_value FROM trait
    WHERE project_id = 'bench' AND trait = 'city' GROUP BY person_no) AS c ON p.person_no = c.city_no)
GROUP BY GROUPING SETS ((city), ()) ORDER BY city
