-- By hand: what the realtime question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT name, message_id, {person} AS person, time, received_time FROM events
WHERE {seen} AND received_time > toDateTime64('2026-10-21 23:00:00', 3, 'Asia/Shanghai')
ORDER BY received_time DESC, batch_no DESC, message_id DESC LIMIT 100
