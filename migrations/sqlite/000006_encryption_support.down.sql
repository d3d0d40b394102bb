DROP VIEW encryption_keys;
DROP VIEW kms_key_stats;
DROP TABLE kms_data_keys;
ALTER TABLE users DROP COLUMN phone_encrypted;
ALTER TABLE users DROP COLUMN email_encrypted;
