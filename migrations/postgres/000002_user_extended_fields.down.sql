ALTER TABLE users
    DROP COLUMN attributes,
    DROP COLUMN timezone,
    DROP COLUMN locale,
    DROP COLUMN display_name,
    DROP COLUMN last_name,
    DROP COLUMN first_name,
    DROP COLUMN avatar_url;
