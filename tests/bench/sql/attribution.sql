-- By hand: what the attribution question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
-- item 1: all conversions, 2: those without a touch, 3: what touches are owed, 4: touches.
SELECT item, t.2 AS channel, t.3 AS known, uniqExact((person, n)), uniqExact(person),
  uniqExactIf((person, t.4), item = 3), sum(credit), sum(part)
FROM (
  SELECT person, n, amount, near, length(near) AS k,
    arrayMap(i -> toInt128(roundBankers(toFloat64(amount) * i / k)), arrayEnumerate(near)) AS upto,
    arrayMap(i -> toInt128(roundBankers(10000. * i / k)), arrayEnumerate(near)) AS parts
  FROM (
    SELECT person, n, c.2 AS amount,
      arrayFilter(t -> t.1 < c.1 AND t.1 >= c.1 - 604800000, touched) AS near
    FROM (
      SELECT {person} AS person,
        arraySort(t -> (t.1, t.4), groupArrayIf((toUnixTimestamp64Milli(time), string_properties['channel'],
          mapContains(string_properties, 'channel'), message_id), name = 'click')) AS laid,
        arrayMap((t, i) -> (t.1, t.2, t.3, i), laid, arrayEnumerate(laid)) AS touched,
        groupArrayIf((toUnixTimestamp64Milli(time),
          toInt128(round(number_properties['amount'] * 10000))), name = 'deposit') AS converted
      FROM events WHERE {seen} AND name IN ('click', 'deposit') GROUP BY person HAVING notEmpty(converted))
    ARRAY JOIN converted AS c, arrayEnumerate(converted) AS n))
ARRAY JOIN
  if(k = 0, [1, 2], arrayPushFront(arrayMap(t -> 3, near), 1)) AS item,
  arrayResize(arrayPushFront(near, (toInt64(0), '', false, toUInt32(0))), greatest(k, 1) + 1) AS t,
  arrayPushFront(if(k = 0, [amount], arrayMap((x, y) -> x - y, upto,
    arrayResize(arrayPushFront(upto, toInt128(0)), k))), amount) AS part,
  arrayPushFront(if(k = 0, [toInt128(10000)], arrayMap((x, y) -> x - y, parts,
    arrayResize(arrayPushFront(parts, toInt128(0)), k))), toInt128(10000)) AS credit
GROUP BY item, channel, known
UNION ALL
SELECT 4, string_properties['channel'] AS channel, mapContains(string_properties, 'channel') AS known,
  0, 0, count(), 0, 0
FROM events WHERE {seen} AND name = 'click' GROUP BY channel, known
