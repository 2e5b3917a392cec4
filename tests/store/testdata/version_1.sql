-- A store as version 1 wrote it. Never changed: later versions must open it.
PRAGMA application_id = 1400337005;
CREATE TABLE cluster (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE node (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE redemption (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE denied (id TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE audit (sequence INTEGER PRIMARY KEY, value TEXT NOT NULL) STRICT;
INSERT INTO node VALUES ('n1', '{"id":"n1","role":"worker","admission":"active","createdAt":5,"certificates":{}}');
INSERT INTO redemption VALUES ('k1', '{"spki":"k1","tokenId":"t1","role":"worker","nodeId":"n1","at":5}');
INSERT INTO denied VALUES ('i1.s1', '{"issuerKeyId":"i1","serial":"s1","nodeId":"n0","reason":"removed","until":9}');
INSERT INTO audit VALUES (1, '{"sequence":1,"at":5,"action":"issued","by":"t1","node":"n1"}');
INSERT INTO audit VALUES (2, '{"sequence":2,"at":6,"action":"promoted","by":"n1","node":"n1"}');
PRAGMA user_version = 1;
