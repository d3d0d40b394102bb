-- version: V1.4.0
-- description: tenant billing

ALTER TABLE tenants ADD COLUMN subscription_start_date INTEGER;
ALTER TABLE tenants ADD COLUMN subscription_end_date INTEGER;
ALTER TABLE tenants ADD COLUMN user_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN storage_used INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tenants ADD COLUMN api_calls_count INTEGER NOT NULL DEFAULT 0;
CREATE INDEX idx_tenants_subscription_end_date ON tenants (subscription_end_date)
    WHERE subscription_end_date IS NOT NULL AND deleted_at IS NULL;
