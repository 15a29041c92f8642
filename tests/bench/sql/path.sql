-- By hand: what the path question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT step, here, there, count(), uniqExact(person)
FROM (
  SELECT person, arrayPushBack(arrayPopFront(p), '') AS q, p
  FROM (
    SELECT person, arrayFirstIndex(x -> x.4 = 'launch', s) AS i,
      arrayMap(x -> x.4, arraySlice(arrayFilter(x -> x.1 - s[i].1 <= 1800000, arraySlice(s, i)), 1, 5)) AS p
    FROM (
      SELECT person, arraySort(x -> (x.1, x.2), groupArray((toUnixTimestamp64Milli(time), message_id,
          toInt32(toDate(time, 'Asia/Shanghai')), name))) AS e,
        arrayJoin(arraySplit((x, b) -> x.1 - b.1 > 1800000 OR x.3 != b.3, e,
          arrayPushFront(arrayPopBack(e), e[1]))) AS s
      FROM (SELECT {person} AS person, time, message_id, toString(name) AS name FROM events WHERE {seen})
      GROUP BY person)
    WHERE i > 0))
ARRAY JOIN p AS here, q AS there, arrayEnumerate(p) AS step
GROUP BY GROUPING SETS ((step, here), (step, here, there)) ORDER BY step, here, there
