-- By hand: what the session question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT count(), uniqExact(person), sum(length(s)), sum(s[-1].1 - s[1].1), countIf(length(s) = 1)
FROM (
  SELECT person, arraySort(groupArray((toUnixTimestamp64Milli(time),
      toInt32(toDate(time, 'Asia/Shanghai'))))) AS e,
    arrayJoin(arraySplit((x, b) -> x.1 - b.1 > 1800000 OR x.2 != b.2, e,
      arrayPushFront(arrayPopBack(e), e[1]))) AS s
  FROM (SELECT {person} AS person, time FROM events WHERE {seen}) GROUP BY person)
