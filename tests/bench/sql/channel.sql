-- By hand: what the channel question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT source, sum(visits), uniqExact(person), uniqExactIf(person, fresh), uniqExactIf(person, opened),
  uniqExactIf(person, deposited), uniqExactIf(person, retained), sum(v), sum(l), sum(b), sum(a)
FROM (
  SELECT person, x.1 AS source, count() AS visits, sum(x.3) AS v, sum(x.4) AS l, sum(x.5) AS a,
    countIf(x.3 = 1) AS b, max(x.6) AS fresh, max(x.7) AS opened, max(x.8) AS deposited,
    has(any(days), min(x.2) + 1) AS retained
  FROM (
    SELECT person, groupUniqArray(s[1].3) AS days, groupArray((s[1].4, s[1].3,
      arrayCount(r -> r.5, s),
      if(arrayExists(r -> r.5, s), s[-1].1 - arrayFirst(r -> r.5, s).1, 0), arraySum(arrayMap(r -> r.9, s)),
      arrayExists(r -> r.6, s), arrayExists(r -> r.7, s), arrayExists(r -> r.8, s))) AS xs
    FROM (
      SELECT person, arraySort(r -> (r.1, r.2), groupArray((toUnixTimestamp64Milli(time), message_id,
          toInt64(toInt32(toDate(time, 'Asia/Shanghai'))), channel, name = 'view', name = 'launch',
          name = 'trade', name = 'deposit', if(name = 'deposit', toInt128(round(amount * 10000)), 0)))) AS e,
        arrayJoin(arraySplit((r, p) -> r.1 - p.1 > 1800000 OR r.3 != p.3, e,
          arrayPushFront(arrayPopBack(e), e[1]))) AS s
      FROM (
        SELECT {person} AS person, time, message_id, name, string_properties['channel'] AS channel,
          number_properties['amount'] AS amount FROM events WHERE {seen})
      GROUP BY person)
    GROUP BY person)
  ARRAY JOIN xs AS x GROUP BY person, source)
GROUP BY GROUPING SETS ((source), ()) ORDER BY source
