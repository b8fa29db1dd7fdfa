package dbtest_test

import (
	"database/sql"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// What a server has answered survives its end, and a database is there for each test alone.
func TestServers(t *testing.T) {
	for name, server := range map[string]func(testing.TB) *dbtest.Server{"postgres": dbtest.Postgres, "mysql": dbtest.MySQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server(t)
			dsn := s.Database(t)
			require.NotEqual(t, dsn, s.Database(t))
			db, err := sql.Open(s.Driver(), dsn)
			require.NoError(t, err)
			defer db.Close()
			_, err = db.Exec("CREATE TABLE t (n INT)")
			require.NoError(t, err)
			for i := range 3 {
				_, err = db.Exec("INSERT INTO t VALUES (1)")
				require.NoError(t, err)
				s.Kill(t)
				require.Error(t, db.Ping(), "it is dead")
				s.Restart(t)
				var n int
				require.NoError(t, db.QueryRow("SELECT COUNT(*) FROM t").Scan(&n))
				require.Equal(t, i+1, n)
			}
		})
	}
}
