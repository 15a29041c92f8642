from siyu_kit.sql.migrate import run_env

run_env()
