-- By hand: what the funnel question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT countIf(length(p) > 0), countIf(length(p) > 1), countIf(length(p) > 2), countIf(length(p) > 3),
  quantileExactInclusiveIf(0.5)(p[2] - p[1], length(p) > 1),
  quantileExactInclusiveIf(0.5)(p[3] - p[2], length(p) > 2),
  quantileExactInclusiveIf(0.5)(p[4] - p[3], length(p) > 3)
FROM (
  SELECT arraySort(m -> m.1, groupArray((ms, mask))) AS ms_mask,
    arrayMap(m -> m.1, ms_mask) AS t, arrayMap(m -> m.2, ms_mask) AS k,
    arrayMap((a, x) -> if(bitTest(a, 3), [x], emptyArrayInt64()), k, t) AS f3,
    arrayPushBack(arrayPopFront(arrayReverseFill(c -> notEmpty(c), f3)), emptyArrayInt64()) AS n3,
    arrayMap((a, x, r) -> if(bitTest(a, 2), arrayPushFront(r, x), emptyArrayInt64()), k, t, n3) AS f2,
    arrayPushBack(arrayPopFront(arrayReverseFill(c -> notEmpty(c), f2)), emptyArrayInt64()) AS n2,
    arrayMap((a, x, r) -> if(bitTest(a, 1), arrayPushFront(r, x), emptyArrayInt64()), k, t, n2) AS f1,
    arrayPushBack(arrayPopFront(arrayReverseFill(c -> notEmpty(c), f1)), emptyArrayInt64()) AS n1,
    arrayMap((a, x, r) -> if(bitTest(a, 0), arrayPushFront(r, x), emptyArrayInt64()), k, t, n1) AS f0,
    arrayMap(c -> arrayFilter(x -> x - c[1] <= 604800000, c), arrayFilter(c -> notEmpty(c), f0)) AS c0,
    arrayMap(c -> length(c), c0) AS l, c0[indexOf(l, arrayMax(l))] AS p
  FROM (
    SELECT {person} AS person, toUnixTimestamp64Milli(time) AS ms, groupBitOr(toUInt8(
      (name = 'launch') + (name = 'view') * 2 + (name = 'deposit') * 4 + (name = 'trade') * 8)) AS mask
    FROM events WHERE {seen} AND name IN ('launch', 'view', 'deposit', 'trade') GROUP BY person, ms)
  GROUP BY person HAVING notEmpty(p))
