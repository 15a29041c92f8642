-- By hand: what the distribution question of analytics_bench.py asks. {person} maps identifiers, {seen} is the range as of now.
SELECT arrayCount(b -> b <= n, [1, 2, 3, 5, 10, 20]) AS slot, count(), sum(n), max(n)
FROM (SELECT {person} AS person, count() AS n FROM events WHERE {seen} AND name = 'view' GROUP BY person)
GROUP BY slot ORDER BY slot
