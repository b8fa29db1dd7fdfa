package dbtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

func startPostgres() (*Server, error) {
	p, port, err := newProcess("pg")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(p.dir, "data")
	// The default collation is not that of bytes, as the store must not depend on it.
	if err := p.setUp("initdb", "--pgdata", data, "--username", "gatehouse", "--auth", "trust", "--encoding", "UTF8",
		"--locale", "C.UTF-8", "--locale-provider", "icu", "--icu-locale", "en-US", "--no-sync"); err != nil {
		return nil, err
	}
	p.args = []string{"postgres", "-D", data, "-p", strconv.Itoa(port), "-h", "127.0.0.1", "-k", "",
		"-c", "max_connections=200", "-c", "max_prepared_transactions=10", "-c", "dynamic_shared_memory_type=mmap"}
	return &Server{driver: "pgx", process: p, dsn: func(database string) string {
		if database == "" {
			database = "postgres"
		}
		return fmt.Sprintf("postgres://gatehouse@127.0.0.1:%d/%s?sslmode=disable", port, database)
	}}, nil
}

func startMariaDB() (*Server, error) {
	p, port, err := newProcess("my")
	if err != nil {
		return nil, err
	}
	data, users := filepath.Join(p.dir, "data"), filepath.Join(p.dir, "users.sql")
	if err := p.setUp("mariadb-install-db", "--no-defaults", "--datadir="+data, "--skip-test-db",
		"--auth-root-authentication-method=normal"); err != nil {
		return nil, err
	}
	if err := os.WriteFile(users, []byte("CREATE USER IF NOT EXISTS gatehouse@'127.0.0.1';\n"+
		"GRANT ALL ON *.* TO gatehouse@'127.0.0.1';\n"), 0o644); err != nil {
		return nil, err
	}
	p.args = []string{"mariadbd", "--no-defaults", "--datadir=" + data, "--init-file=" + users,
		"--bind-address=127.0.0.1", "--port=" + strconv.Itoa(port), "--skip-name-resolve",
		"--socket=" + filepath.Join(p.dir, "s"), "--pid-file=" + filepath.Join(p.dir, "pid"),
		"--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci",
		"--max-connections=300", "--innodb-log-file-size=64M"}
	return &Server{driver: "mysql", process: p, dsn: func(database string) string {
		return fmt.Sprintf("gatehouse@tcp(127.0.0.1:%d)/%s", port, database)
	}}, nil
}

// program returns the path of a program. Debian keeps PostgreSQL's out of PATH.
func program(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/", "/usr/sbin/"} {
		if paths, _ := filepath.Glob(pattern + name); len(paths) > 0 {
			return paths[len(paths)-1]
		}
	}
	return ""
}
