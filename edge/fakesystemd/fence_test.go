package fakesystemd_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"argosy/core/cluster"
	"argosy/core/converge"
	"argosy/edge/fakesystemd"
)

const (
	guarded = "[Service]\nExecStart=/bin/sleep inf\n[X-Fleet]\nOnPartition=stop\n"
	slow    = "[Service]\nExecStart=/bin/sleep inf\nExecStop=/bin/sleep 60\n[X-Fleet]\nOnPartition=stop\n"
)

// started is a machine that was asked to start the units of some texts; ended gets how
// each job ended.
func started(t *testing.T, stands time.Duration, texts map[cluster.UnitName]string) (*fakesystemd.Machine, func(cluster.UnitName) string) {
	m, ended := fakesystemd.New(), make(chan [2]string, 8)
	if err := m.Extend(m.Now() + stands); err != nil {
		t.Fatal(err)
	}
	results := map[cluster.UnitName]string{}
	for unit, text := range texts {
		if err := m.Write(unit, text); err != nil {
			t.Fatal(err)
		}
		if err := m.Enqueue(t.Context(), converge.StartJob, unit, func(o converge.Outcome) { ended <- [2]string{string(unit), o.Result} }); err != nil {
			t.Fatal(err)
		}
	}
	return m, func(unit cluster.UnitName) string {
		synctest.Wait()
		for len(ended) > 0 {
			one := <-ended
			results[cluster.UnitName(one[0])] = one[1]
		}
		return results[unit]
	}
}

func runs(t *testing.T, m *fakesystemd.Machine, when string, want ...cluster.UnitName) {
	t.Helper()
	synctest.Wait()
	if got := m.Running(); !slices.Equal(got, want) {
		t.Errorf("%s %q run, expected %q", when, got, want)
	}
}

func TestFenceFalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, result := started(t, 10*time.Second, map[cluster.UnitName]string{"db.service": guarded, "slow.service": slow, "web.service": "[Service]\nExecStart=/bin/sleep inf\n"})
		if got := result("db.service"); got != "done" {
			t.Errorf("its start ended as %q", got)
		}
		time.Sleep(9 * time.Second)
		if err := m.Extend(m.Now() + 10*time.Second); err != nil {
			t.Fatal(err)
		}
		time.Sleep(9 * time.Second)
		runs(t, m, "kept up", "db.service", converge.FenceUnit, "slow.service", "web.service")
		time.Sleep(time.Second)
		runs(t, m, "fallen", "slow.service", "web.service")
		time.Sleep(cluster.FenceUnitStopTime)
		runs(t, m, "later", "web.service")
	})
}

func TestFenceThatIsNotSaidToStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, result := started(t, 0, map[cluster.UnitName]string{"db.service": guarded})
		time.Sleep(5 * time.Second)
		if got := result("db.service"); got != "" || m.Invocation("db.service") != "" {
			t.Errorf("its start did not wait: %q", got)
		}
		time.Sleep(6 * time.Second)
		if got := result("db.service"); got != "dependency" {
			t.Errorf("its start ended as %q", got)
		}
		if err := m.Extend(m.Now() + time.Minute); err != nil {
			t.Fatal(err)
		}
		runs(t, m, "with nothing to start")
	})
}

func TestFenceComesDownWithTheLastUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := started(t, 10*time.Second, map[cluster.UnitName]string{"db.service": guarded})
		m.End("db.service", "failed")
		runs(t, m, "after its end")
	})
}

func TestMachineRebootsForWhatCannotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, _ := started(t, 10*time.Second, map[cluster.UnitName]string{"db.service": guarded})
		rebooted := time.Duration(0)
		m.OnReboot(func() { rebooted = m.Now() })
		m.Stick(true)
		time.Sleep(time.Minute)
		synctest.Wait()
		if want := 10*time.Second + cluster.FenceStopTime; rebooted != want {
			t.Errorf("the machine was rebooted after %s, expected %s", rebooted, want)
		}
	})
}
