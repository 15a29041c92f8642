-- By hand: what the heatmap question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
-- No click has a tag, so that the layer of elements is empty. Of the depths 0, 5, ... 100 the visits that reached each
-- and the persons who did, from the number in each slot and the deepest of each person.
SELECT * FROM (
  SELECT countIf(mapContains(number_properties, 'amount')) AS clicks,
    countIf(lower(string_properties['element_type']) IN ('a', 'button', 'input', 'select', 'textarea', 'svg')) AS elements
  FROM events WHERE {seen} AND name = 'click') AS a
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
