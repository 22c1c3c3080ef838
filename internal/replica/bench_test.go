package replica_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/token2go/token2go/internal/apikey"
	"github.com/token2go/token2go/internal/replica"
	"github.com/token2go/token2go/internal/store/storetest"
)

// What a start with many keys may cost.
const (
	maxStart  = 1.5 // times what it takes to read every row through the driver
	maxMemory = 400 // MB with a million keys
)

// BenchmarkStart reads every key into memory, beside reading every row and keeping none.
func BenchmarkStart(b *testing.B) {
	for _, count := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			address := storetest.NewSQLite(b)
			s := storetest.Open(b, address)
			p := pepper(b, 1)
			storetest.Fill(b, address, count, p.ID)
			var ready, read time.Duration
			var size float64
			for b.Loop() {
				before, begin := memory(), time.Now()
				r, err := replica.New(b.Context(), replica.Options{Store: s, Peppers: []apikey.Pepper{p}, MaxAge: time.Minute})
				if err != nil {
					b.Fatal(err)
				}
				ready += time.Since(begin)
				size = float64(memory()-before) / 1e6
				if r.Keys.Len() != count {
					b.Fatalf("got %d keys", r.Keys.Len())
				}
				begin = time.Now()
				if got := storetest.ReadRows(b, address); got != count+count/10 {
					b.Fatalf("got %d rows", got)
				}
				read += time.Since(begin)
				runtime.KeepAlive(r)
			}
			ratio := ready.Seconds() / read.Seconds()
			b.ReportMetric(ratio, "x-reading")
			b.ReportMetric(size, "MB")
			b.ReportMetric(ready.Seconds()/float64(b.N), "s/start")
			if count == 1_000_000 && (ratio > maxStart || size > maxMemory) {
				b.Errorf("%.2f times as long as reading every row, wanted at most %.1f; %.0f MB, wanted at most %d", ratio, maxStart, size, maxMemory)
			}
		})
	}
}

func memory() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
