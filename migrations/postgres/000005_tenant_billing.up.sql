-- version: V1.4.0
-- description: tenant billing

ALTER TABLE tenants
    ADD COLUMN subscription_start_date timestamptz,
    ADD COLUMN subscription_end_date timestamptz,
    ADD COLUMN user_count bigint NOT NULL DEFAULT 0,
    ADD COLUMN storage_used bigint NOT NULL DEFAULT 0,
    ADD COLUMN api_calls_count bigint NOT NULL DEFAULT 0;
CREATE INDEX idx_tenants_subscription_end_date ON tenants (subscription_end_date)
    WHERE subscription_end_date IS NOT NULL AND deleted_at IS NULL;
