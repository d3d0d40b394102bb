DROP INDEX idx_tenants_subscription_end_date;
ALTER TABLE tenants DROP COLUMN api_calls_count;
ALTER TABLE tenants DROP COLUMN storage_used;
ALTER TABLE tenants DROP COLUMN user_count;
ALTER TABLE tenants DROP COLUMN subscription_end_date;
ALTER TABLE tenants DROP COLUMN subscription_start_date;
