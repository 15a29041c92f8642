-- By hand: what the interval question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT count(), uniqExact(person), min(took), max(took), avg(took),
  quantilesExactInclusive(0.25, 0.5, 0.75)(took)
FROM (
  SELECT person, arraySort(m -> m.1, groupArray((ms, a, b))) AS m,
    arrayFill(x -> x > 0, arrayMap(x -> if(x.2, x.1, toInt64(0)), m)) AS s,
    arrayFill(x -> x > 0, arrayMap(x -> if(x.3, x.1, toInt64(0)), m)) AS g,
    arrayPushFront(arrayPopBack(s), toInt64(0)) AS s1, arrayPushFront(arrayPopBack(g), toInt64(0)) AS g1,
    arrayJoin(arrayFilter(x -> x > 0, arrayMap((x, s, g) ->
      if(x.3 AND s > 0 AND s >= g AND x.1 - s <= 604800000, x.1 - s, toInt64(0)), m, s1, g1))) AS took
  FROM (
    SELECT {person} AS person, toUnixTimestamp64Milli(time) AS ms, max(name = 'view') AS a,
      max(name = 'trade') AS b
    FROM events WHERE {seen} AND name IN ('view', 'trade') GROUP BY person, ms)
  GROUP BY person)
