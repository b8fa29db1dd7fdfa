//go:build !race

// The race detector has memory of its own.

package benchmarks_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Row F7: what 64 redeems at once take of memory, in a process that does nothing else, with as many processors and
// with hashes of whatever size there is.
func TestRedeemAtOnceMemory(t *testing.T) {
	const inside = "GATEHOUSE_REDEEM_AT_ONCE"
	if os.Getenv(inside) != "" {
		r := newRedeems(t, atOnce)
		rounds := 3
		if os.Getenv(inside) == "imported" {
			r.imported(t)
			rounds = 1 // which is four hashes for each redeem, two of them large
		}
		for range rounds {
			r.Wait(time.Minute)
			r.allAtOnce(t)
		}
		fmt.Println("peak", peakRSS(t))
		return
	}
	for _, hashes := range []string{"own", "imported"} {
		for _, processors := range []int{2, 64} { // the table in the README has more of them
			t.Run(fmt.Sprintf("%s, %d processors", hashes, processors), func(t *testing.T) {
				cmd := exec.Command(os.Args[0], "-test.run=^TestRedeemAtOnceMemory$", "-test.count=1")
				cmd.Env = append(os.Environ(), inside+"="+hashes, fmt.Sprint("GOMAXPROCS=", processors))
				began := time.Now()
				out, err := cmd.CombinedOutput()
				require.NoError(t, err, "%s", out)
				_, text, ok := strings.Cut(string(out), "peak ")
				require.True(t, ok, "no figure in %s", out)
				text, _, _ = strings.Cut(text, "\n")
				peak, err := strconv.Atoi(text)
				require.NoError(t, err)
				t.Logf("%d MiB, %v", peak>>20, time.Since(began))
				require.LessOrEqual(t, peak, 128<<20)
			})
		}
	}
}

// imported puts hashes of another system in the place of the codes: two of 64 MiB and four lanes, the most there is,
// and two of what is made here, for every account.
func (r redeems) imported(tb testing.TB) {
	ctx := context.Background()
	var codes []recovery.Foreign
	for i, memory := range []uint32{64 << 10, 19456, 64 << 10, 19456} {
		salt := []byte(fmt.Sprint("salt of code ", i))
		tag := []byte(fmt.Sprintf("tag of code %d that nobody has...", i))[:32]
		codes = append(codes, recovery.ForeignHash(fmt.Sprintf("$argon2id$v=19$m=%d,t=1,p=4$%s$%s", memory,
			base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(tag)), 0))
	}
	for account := range atOnce {
		id := fmt.Sprint(account)
		require.NoError(tb, deleted(r.Operator("test").DeleteAccount(ctx, id)))
		_, err := r.Operator("test").Import(ctx, id, gatehouse.Import{
			Authenticators: []gatehouse.ImportAuthenticator{{Secret: totp.GenerateSecret()}}, RecoveryCodes: codes,
		})
		require.NoError(tb, err)
	}
}
