package mail_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bmsync/bmapi/bmsim/internal/mail"
)

func BenchmarkAppend(b *testing.B) {
	for _, bc := range []struct {
		name   string
		dir    bool
		before int // messages in the folder
	}{{"memory", false, 0}, {"memory/after100000", false, 100_000}, {"dir", true, 0}, {"dir/after100000", true, 100_000}} {
		b.Run(bc.name, func(b *testing.B) {
			dir := ""
			if bc.dir {
				dir = b.TempDir()
			}
			s := open(b, dir, mail.Options{}, alice)
			inbox := folder(b, s, alice, "INBOX")
			fill := strings.Repeat("lorem ipsum ", 200)
			one := func(i int) {
				add(b, s, inbox.UID, fmt.Sprintf("Message-ID: <%d@x>\r\nSubject: x\r\n\r\n%s", i, fill), time.Time{}, `\Seen`)
			}
			for i := range bc.before {
				one(-i)
			}
			for i := 1; b.Loop(); i++ {
				one(i)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
		})
	}
}
