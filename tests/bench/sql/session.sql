-- By hand: what the session question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
-- Every event is a page view, so that depths are numbers of events and nobody dwells less than a session takes.
SELECT sum(n), count(), sum(size), sum(arraySum(tooks)), sum(once), countIf(once > 0),
  sumForEach(took_in), sumForEach(arrayMap(x -> toUInt64(x > 0), took_in)),
  sumForEach(seen_in), sumForEach(arrayMap(x -> toUInt64(x > 0), seen_in))
FROM (
  SELECT length(s) AS n, length(e) AS size,
    arrayMap(x -> x[-1].1 - x[1].1, s) AS tooks, arrayMap(x -> length(x), s) AS views,
    arrayCount(v -> v = 1, views) AS once,
    [arrayCount(t -> t >= 0 AND t < 3000, tooks),
      arrayCount(t -> t >= 3000 AND t < 10000, tooks),
      arrayCount(t -> t >= 10000 AND t < 30000, tooks),
      arrayCount(t -> t >= 30000 AND t < 60000, tooks),
      arrayCount(t -> t >= 60000 AND t < 180000, tooks),
      arrayCount(t -> t >= 180000 AND t < 600000, tooks),
      arrayCount(t -> t >= 600000 AND t < 1800000, tooks),
      arrayCount(t -> t >= 1800000 AND t < 3600000, tooks),
      arrayCount(t -> t >= 3600000, tooks)] AS took_in,
    [arrayCount(v -> v >= 0 AND v < 5, views),
      arrayCount(v -> v >= 5 AND v < 10, views),
      arrayCount(v -> v >= 10 AND v < 15, views),
      arrayCount(v -> v >= 15 AND v < 20, views),
      arrayCount(v -> v >= 20 AND v < 25, views),
      arrayCount(v -> v >= 25 AND v < 30, views),
      arrayCount(v -> v >= 30 AND v < 35, views),
      arrayCount(v -> v >= 35 AND v < 40, views),
      arrayCount(v -> v >= 40 AND v < 45, views),
      arrayCount(v -> v >= 45 AND v < 50, views),
      arrayCount(v -> v >= 50, views)] AS seen_in
  FROM (
    SELECT arraySort(groupArray((toUnixTimestamp64Milli(time), toInt32(toDate(time, 'Asia/Shanghai'))))) AS e,
      arraySplit((x, b) -> x.1 - b.1 > 1800000 OR x.2 != b.2, e, arrayPushFront(arrayPopBack(e), e[1])) AS s
    FROM (SELECT {person} AS person, time FROM events WHERE {seen}) GROUP BY person))
