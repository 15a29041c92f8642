-- By hand: what the heatmap question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT * FROM (
  SELECT count() AS clicks, arraySlice(arraySort(groupArray((sipHash64(message_id),
    number_properties['amount'], number_properties['amount']))), 1, 7000) AS points
  FROM events WHERE {seen} AND name = 'click') AS a
CROSS JOIN (
  SELECT count() AS visits, sumMap([slot], [toUInt64(1)]) AS deep, uniqExact(person) AS persons
  FROM (
    SELECT {person} AS person, least(20, intDiv(toUInt32(number_properties['amount']), 5)) AS slot
    FROM events WHERE {seen} AND name = 'search')) AS b
