ALTER TABLE tenants
    DROP COLUMN api_calls_count,
    DROP COLUMN storage_used,
    DROP COLUMN user_count,
    DROP COLUMN subscription_end_date,
    DROP COLUMN subscription_start_date;
