-- By hand: what the retention question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT cohort, arrayJoin(arrayPushFront(arrayFilter(d -> d BETWEEN 0 AND 14,
  arrayMap(b -> b - cohort, back)), -1)) AS n, count()
FROM (SELECT {person} AS person,
    groupUniqArrayIf(toInt64(toInt32(toDate(time, 'Asia/Shanghai'))), name = 'launch') AS first,
    groupUniqArrayIf(toInt64(toInt32(toDate(time, 'Asia/Shanghai'))), name = 'trade') AS back
  FROM events WHERE {seen} AND name IN ('launch', 'trade') GROUP BY person)
ARRAY JOIN first AS cohort GROUP BY cohort, n ORDER BY cohort, n
