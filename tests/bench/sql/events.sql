-- By hand: what the events question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT toStartOfDay(time, 'Asia/Shanghai') AS day, string_properties['channel'] AS channel, count(),
  uniqExact({person}), sum(toInt128(round(number_properties['amount'] * 10000)))
FROM events WHERE {seen} AND name = 'trade'
GROUP BY GROUPING SETS ((day, channel), ()) ORDER BY day, channel
