-- Rebuilt indexes change no schema; the statistics of ANALYZE go.
DROP TABLE IF EXISTS sqlite_stat1;
DROP TABLE IF EXISTS sqlite_stat4;
