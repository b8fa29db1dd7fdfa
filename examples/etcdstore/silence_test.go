//go:build unix

package etcdstore

import (
	"context"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
)

// TestSilence: a server that stands still does not hold a call for longer than the timeout.
func TestSilence(t *testing.T) {
	server := start(t)
	s := New(open(t, server.client))
	require.NoError(t, s.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 1}, 0))
	require.NoError(t, server.cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(server.cmd.Process.Pid, &status, syscall.WUNTRACED, nil) // until all its threads stand still
	require.NoError(t, err)
	require.True(t, status.Stopped())
	_, err = s.LoadAccount(t.Context(), "a")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = s.Accounts(t.Context(), "", 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	err = s.SaveAccount(t.Context(), storage.Record{ID: "a", Version: 2}, 1)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}
