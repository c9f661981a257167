-- doorslam's tables in ClickHouse, on one server:  clickhouse-client --multiquery < single.sql
-- Works from ClickHouse 18.16 (Debian 12) on: addresses are texts, times seconds with the nanoseconds beside them.
--
-- A sink delivers at least once. What is doubled has the same id, by which both tables are ordered: merges remove it, and
-- every query below gives the same figures whether or not it is there yet.

CREATE DATABASE IF NOT EXISTS doorslam;

CREATE TABLE IF NOT EXISTS doorslam.alerts
(
    id String,            -- event.id
    sensor String,        -- observer.name
    time DateTime,
    time_ns Int64,
    severity UInt8,       -- event.severity: 21 low, 47 medium, 73 high, 99 critical
    action String,        -- incident-opened, incident-updated, incident-closed
    cause String,
    confidence Float32,
    incident String,      -- doorslam.incident.id, one a sensor
    scope String,
    server String,
    port UInt16,
    client String,
    clients UInt64,       -- distinct clients refused so far
    refused UInt64,       -- connections refused so far
    first_seen DateTime,
    last_seen DateTime,
    signature String,
    message String,
    record String         -- the whole ECS object
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(time)
ORDER BY (server, port, cause, time, id);

CREATE TABLE IF NOT EXISTS doorslam.flows
(
    id String,
    sensor String,
    time DateTime,
    time_ns Int64,
    duration_ns Int64,
    client String,
    client_port UInt16,
    server String,
    port UInt16,
    cause String,
    confidence Float32,
    outcome String,
    stage String,
    conn_state String,
    history String,
    client_bytes UInt64,
    server_bytes UInt64,
    client_packets UInt64,
    server_packets UInt64,
    signature String,
    community_id String
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(time)
ORDER BY (server, port, time, id);

-- Incidents as the sensors know them. Every alert tells its incident's figures so far, so the largest are the latest, and
-- an alert that comes twice changes nothing.
CREATE TABLE IF NOT EXISTS doorslam.incidents
(
    server String,
    port UInt16,
    cause String,
    sensor String,
    incident String,
    first_seen AggregateFunction(min, DateTime),
    last_seen AggregateFunction(max, DateTime),
    refused AggregateFunction(max, UInt64),
    clients AggregateFunction(max, UInt64),
    severity AggregateFunction(max, UInt8),
    closed AggregateFunction(max, UInt8),
    message AggregateFunction(argMax, String, Int64)
)
ENGINE = AggregatingMergeTree
ORDER BY (server, port, cause, sensor, incident);

CREATE MATERIALIZED VIEW IF NOT EXISTS doorslam.incidents_of_alerts TO doorslam.incidents AS
SELECT
    server, port, cause, sensor, incident,
    minState(first_seen) AS first_seen,
    maxState(last_seen) AS last_seen,
    maxState(refused) AS refused,
    maxState(clients) AS clients,
    maxState(severity) AS severity,
    maxState(toUInt8(action = 'incident-closed')) AS closed,
    argMaxState(message, time_ns) AS message
FROM doorslam.alerts
GROUP BY server, port, cause, sensor, incident;

-- One line for each server endpoint and cause, over all sensors of the fleet: those that see the same server tell of one
-- trouble. `refused` adds up what the sensors saw; where two see the same connections, `refused_most` is the better figure.
CREATE VIEW IF NOT EXISTS doorslam.fleet AS
SELECT
    server, port, cause,
    min(incident_first_seen) AS first_seen,
    max(incident_last_seen) AS last_seen,
    sum(incident_refused) AS refused,
    max(incident_refused) AS refused_most,
    max(incident_clients) AS clients_most,
    max(incident_severity) AS severity,
    uniqExact(sensor) AS sensors,
    count() AS incidents,
    sum(1 - incident_closed) AS open,
    argMax(incident_message, incident_last_seen) AS message
FROM
(
    SELECT
        server, port, cause, sensor, incident,
        minMerge(first_seen) AS incident_first_seen,
        maxMerge(last_seen) AS incident_last_seen,
        maxMerge(refused) AS incident_refused,
        maxMerge(clients) AS incident_clients,
        maxMerge(severity) AS incident_severity,
        maxMerge(closed) AS incident_closed,
        argMaxMerge(message) AS incident_message
    FROM doorslam.incidents
    GROUP BY server, port, cause, sensor, incident
)
GROUP BY server, port, cause;
