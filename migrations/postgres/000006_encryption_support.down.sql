DROP VIEW encryption_keys;
DROP VIEW kms_key_stats;
DROP TABLE kms_data_keys;
DROP FUNCTION update_kms_data_keys_updated_at();
ALTER TABLE users
    DROP COLUMN phone_encrypted,
    DROP COLUMN email_encrypted;
