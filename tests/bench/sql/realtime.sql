-- By hand: what the realtime question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT * FROM (
  SELECT 'event' AS kind, name, message_id, {person} AS person, time, received_time, batch_no, 0 AS events, 0 AS persons
  FROM events WHERE {seen} AND time >= toDateTime64('2026-10-11 23:00:00', 3, 'Asia/Shanghai')
    AND received_time > toDateTime64('2026-10-21 23:00:00', 3, 'Asia/Shanghai')
  ORDER BY received_time DESC, batch_no DESC, message_id DESC LIMIT 100)
UNION ALL
SELECT 'minute', '', '', 0, toStartOfMinute(received_time) AS minute, minute, 0, count(), uniqExact({person})
FROM events WHERE {seen} AND time >= toDateTime64('2026-10-11 23:00:00', 3, 'Asia/Shanghai')
  AND received_time > toDateTime64('2026-10-21 23:00:00', 3, 'Asia/Shanghai') GROUP BY minute
