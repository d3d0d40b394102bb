DROP TABLE user_activities;
ALTER TABLE users DROP COLUMN last_activity_at;
