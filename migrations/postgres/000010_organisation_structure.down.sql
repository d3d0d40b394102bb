ALTER TABLE users
    DROP COLUMN position,
    DROP COLUMN primary_department_id;
DROP TABLE user_departments;
DROP TABLE departments;
