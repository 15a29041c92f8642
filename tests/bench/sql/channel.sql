-- By hand: what the channel question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
-- A person's sessions are counted in arrays, so that persons are grouped once.
SELECT source, sum(visits), uniqExact(person), uniqExactIf(person, fresh), uniqExactIf(person, opened),
  uniqExactIf(person, deposited), uniqExactIf(person, retained), sum(v), sum(l), sum(b), sum(a)
FROM (
  SELECT person, source, count() AS visits, sum(viewed) AS v, sum(looked) AS l, sum(brought) AS a,
    countIf(viewed = 1) AS b, max(is_fresh) AS fresh, max(has_opened) AS opened, max(has_paid) AS deposited,
    has(any(all_days), min(day) + 1) AS retained
  FROM (
    SELECT person, arrayMap(s -> s[1].3, ss) AS days, arrayDistinct(days) AS all_days,
      arrayMap(s -> s[1].4, ss) AS sources, arrayMap(s -> arrayCount(r -> r.5, s), ss) AS views,
      arrayMap(s -> if(arrayExists(r -> r.5, s), s[-1].1 - arrayFirst(r -> r.5, s).1, 0), ss) AS looks,
      arrayMap(s -> arraySum(arrayMap(r -> r.9, s)), ss) AS amounts,
      arrayMap(s -> arrayExists(r -> r.6, s), ss) AS launches, arrayMap(s -> arrayExists(r -> r.7, s), ss) AS trades,
      arrayMap(s -> arrayExists(r -> r.8, s), ss) AS deposits
    FROM (
      SELECT person, arraySort(groupArray((toUnixTimestamp64Milli(time), message_id,
          toInt64(toInt32(toDate(time, 'Asia/Shanghai'))), channel, name = 'view', name = 'launch',
          name = 'trade', name = 'deposit', if(name = 'deposit', toInt128(round(amount * 10000)), 0)))) AS e,
        arraySplit((r, p) -> r.1 - p.1 > 1800000 OR r.3 != p.3, e, arrayPushFront(arrayPopBack(e), e[1])) AS ss
      FROM (
        SELECT {person} AS person, time, message_id, name, string_properties['channel'] AS channel,
          number_properties['amount'] AS amount FROM events WHERE {seen})
      GROUP BY person))
  ARRAY JOIN days AS day, sources AS source, views AS viewed, looks AS looked, amounts AS brought,
    launches AS is_fresh, trades AS has_opened, deposits AS has_paid
  GROUP BY person, source)
GROUP BY GROUPING SETS ((source), ()) ORDER BY source
