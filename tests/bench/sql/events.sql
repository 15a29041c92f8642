-- By hand: what the events question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT toStartOfDay(time, 'Asia/Shanghai') AS day, string_properties['channel'] AS channel,
  mapContains(string_properties, 'channel') AS known, count(), uniqExact({person}),
  sumIf(toInt128(round(number_properties['amount'] * 10000)), mapContains(number_properties, 'amount')),
  countIf(mapContains(number_properties, 'amount'))
FROM events WHERE {seen} AND name = 'trade'
GROUP BY GROUPING SETS ((day, channel, known), ()) ORDER BY day, known, count() DESC, channel
