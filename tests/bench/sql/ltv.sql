-- By hand: what the ltv question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
-- The ones keep a day whose amounts add up to 0, which would be no key of the map.
SELECT cohort, e.1 AS n, count(), countIf(e.1 = paid), sum(e.2)
FROM (
  SELECT min(if(launched, day, 4294967295)) AS cohort, sumMapIf([day], [amount], [1], deposited) AS sums,
    arrayFilter(x -> x.1 >= 0 AND x.1 < 14,
      arrayMap((d, a) -> (toInt64(d) - toInt64(cohort), a), sums.1, sums.2)) AS earned,
    if(empty(earned), toInt64(-1), arrayMin(arrayMap(x -> x.1, earned))) AS paid,
    arrayJoin(arrayPushFront(earned, (toInt64(-1), toInt128(0)))) AS e
  FROM (
    SELECT {person} AS person, toUInt32(toInt32(toDate(time, 'Asia/Shanghai'))) AS day,
      name = 'launch' AS launched, name = 'deposit' AS deposited,
      toInt128(round(number_properties['amount'] * 10000)) * 10000 AS amount
    FROM events WHERE {seen} AND name IN ('launch', 'deposit'))
  GROUP BY person HAVING cohort < 4294967295)
GROUP BY cohort, n ORDER BY cohort, n
