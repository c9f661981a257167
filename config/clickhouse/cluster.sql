-- doorslam's tables in a ClickHouse cluster: sharded by server endpoint, each shard replicated.
--   clickhouse-client --multiquery < cluster.sql
-- Every server needs the macros {cluster}, {shard} and {replica}, and ZooKeeper or Keeper. Sinks insert into
-- doorslam.alerts and doorslam.flows on any server; one that an insert was sent to twice as the same block takes it once.
-- The meaning of the columns and of the view stands in single.sql.

CREATE DATABASE IF NOT EXISTS doorslam ON CLUSTER '{cluster}';

CREATE TABLE IF NOT EXISTS doorslam.alerts_local ON CLUSTER '{cluster}'
(
    id String,
    sensor String,
    time DateTime,
    time_ns Int64,
    severity UInt8,
    action String,
    cause String,
    confidence Float32,
    incident String,
    scope String,
    server String,
    port UInt16,
    client String,
    clients UInt64,
    refused UInt64,
    first_seen DateTime,
    last_seen DateTime,
    signature String,
    message String,
    record String
)
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/doorslam/alerts', '{replica}')
PARTITION BY toYYYYMM(time)
ORDER BY (server, port, cause, time, id);

CREATE TABLE IF NOT EXISTS doorslam.flows_local ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/doorslam/flows', '{replica}')
PARTITION BY toYYYYMMDD(time)
ORDER BY (server, port, time, id);

CREATE TABLE IF NOT EXISTS doorslam.incidents_local ON CLUSTER '{cluster}'
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
ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/doorslam/incidents', '{replica}')
ORDER BY (server, port, cause, sensor, incident);

CREATE MATERIALIZED VIEW IF NOT EXISTS doorslam.incidents_of_alerts ON CLUSTER '{cluster}' TO doorslam.incidents_local AS
SELECT
    server, port, cause, sensor, incident,
    minState(first_seen) AS first_seen,
    maxState(last_seen) AS last_seen,
    maxState(refused) AS refused,
    maxState(clients) AS clients,
    maxState(severity) AS severity,
    maxState(toUInt8(action = 'incident-closed')) AS closed,
    argMaxState(message, time_ns) AS message
FROM doorslam.alerts_local
GROUP BY server, port, cause, sensor, incident;

CREATE TABLE IF NOT EXISTS doorslam.alerts ON CLUSTER '{cluster}' AS doorslam.alerts_local
ENGINE = Distributed('{cluster}', doorslam, alerts_local, cityHash64(server, port));

CREATE TABLE IF NOT EXISTS doorslam.flows ON CLUSTER '{cluster}' AS doorslam.flows_local
ENGINE = Distributed('{cluster}', doorslam, flows_local, cityHash64(server, port));

CREATE TABLE IF NOT EXISTS doorslam.incidents ON CLUSTER '{cluster}' AS doorslam.incidents_local
ENGINE = Distributed('{cluster}', doorslam, incidents_local, cityHash64(server, port));

CREATE VIEW IF NOT EXISTS doorslam.fleet ON CLUSTER '{cluster}' AS
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
