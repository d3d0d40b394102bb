DROP INDEX idx_users_primary_department_id;
ALTER TABLE users DROP COLUMN position;
ALTER TABLE users DROP COLUMN primary_department_id;
DROP TABLE user_departments;
DROP TABLE departments;
