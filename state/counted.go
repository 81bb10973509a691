package state

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync/atomic"

	"github.com/mattn/go-sqlite3"
)

// Work counts what a Store has asked of SQLite. Many small accounts are mostly
// that, so tests hold it.
type Work struct {
	Transactions int64 // that were to write
	Statements   int64 // executed or compiled for more than once; BEGIN and COMMIT aside
}

// counters are a Store's Work, as it grows.
type counters struct{ transactions, statements atomic.Int64 }

// Work is what was done since the Store was opened.
func (s *Store) Work() Work {
	return Work{s.counters.transactions.Load(), s.counters.statements.Load()}
}

// counting opens go-sqlite3's connections to one file, and counts what goes
// through them.
type counting struct {
	dsn string
	to  *counters
}

func (s *Store) openDB(dsn string) *sql.DB { return sql.OpenDB(counting{dsn, &s.counters}) }

func (c counting) Driver() driver.Driver { return &sqlite3.SQLiteDriver{} }

func (c counting) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.Driver().Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &countedConn{conn.(*sqlite3.SQLiteConn), c.to}, nil
}

// countedConn is a connection with all that go-sqlite3's can.
type countedConn struct {
	*sqlite3.SQLiteConn
	to *counters
}

func (c *countedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.to.statements.Add(1)
	return c.SQLiteConn.ExecContext(ctx, query, args)
}

func (c *countedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.to.statements.Add(1)
	return c.SQLiteConn.QueryContext(ctx, query, args)
}

func (c *countedConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.to.statements.Add(1)
	return c.SQLiteConn.PrepareContext(ctx, query)
}

func (c *countedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.to.transactions.Add(1)
	return c.SQLiteConn.BeginTx(ctx, opts)
}
