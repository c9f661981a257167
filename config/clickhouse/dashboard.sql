-- The queries of a fleet dashboard, each under its panel's name. {days} and the like are for the dashboard to fill in.

-- panel: open troubles
SELECT server, port, cause, severity, sensors, refused_most, clients_most, first_seen, last_seen, message
FROM doorslam.fleet
WHERE open > 0
ORDER BY severity DESC, refused_most DESC
LIMIT 100;

-- panel: servers most refused
SELECT server, port, sum(refused_most) AS refusals, groupUniqArray(cause) AS causes, max(last_seen) AS latest
FROM doorslam.fleet
WHERE last_seen >= now() - 7 * 86400
GROUP BY server, port
ORDER BY refusals DESC
LIMIT 50;

-- panel: refusals by cause and hour
SELECT toStartOfHour(time) AS hour, cause, uniq(id) AS connections
FROM doorslam.flows
WHERE time >= now() - 86400 AND outcome = 'failure'
GROUP BY hour, cause
ORDER BY hour, connections DESC;

-- panel: share of connections refused, by server
SELECT server, port, uniqIf(id, outcome = 'failure') AS refused, uniq(id) AS all_connections,
       refused / all_connections AS share
FROM doorslam.flows
WHERE time >= now() - 86400
GROUP BY server, port
HAVING refused > 0
ORDER BY share DESC, refused DESC
LIMIT 50;

-- panel: troubles that several sensors see
SELECT server, port, cause, sensors, refused_most, first_seen, last_seen
FROM doorslam.fleet
WHERE sensors > 1
ORDER BY last_seen DESC
LIMIT 50;

-- panel: sensors that have fallen silent
SELECT sensor, max(time) AS latest
FROM doorslam.flows
GROUP BY sensor
HAVING latest < now() - 900
ORDER BY latest;

-- panel: what one client met
SELECT time, server, port, cause, confidence, conn_state, history, signature
FROM doorslam.flows
WHERE client = '192.0.2.7'
ORDER BY time DESC
LIMIT 200;
