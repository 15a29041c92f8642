-- By hand: what the attribution question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT t.2 AS channel, uniqExact((person, c)), uniqExact(person), sum(part)
FROM (
  SELECT person, c, arrayFilter(t -> t.1 < c.1 AND t.1 >= c.1 - 604800000, touched) AS near,
    length(near) AS k, arrayMap(i -> toInt128(roundBankers(toFloat64(c.2) * i / k)),
      arrayEnumerate(near)) AS upto
  FROM (
    SELECT {person} AS person, arraySort(groupArrayIf((toUnixTimestamp64Milli(time),
        string_properties['channel']), name = 'click')) AS touched,
      groupArrayIf((toUnixTimestamp64Milli(time),
        toInt128(round(number_properties['amount'] * 10000))), name = 'deposit') AS converted
    FROM events WHERE {seen} AND name IN ('click', 'deposit') GROUP BY person HAVING notEmpty(converted))
  ARRAY JOIN converted AS c
  WHERE notEmpty(near))
ARRAY JOIN near AS t, arrayMap((x, y) -> x - y, upto, arrayPushFront(arrayPopBack(upto), toInt128(0))) AS part
GROUP BY channel ORDER BY channel
