package local

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"argosy/cli"
	"argosy/cli/local/lab"
	"argosy/edge/localnet"
)

// Chaos is `argosy chaos` with its verbs.
func Chaos() *cobra.Command {
	cmd := &cobra.Command{Use: "chaos", Short: "Break a local machine, and mend it", Args: usage(cobra.NoArgs)}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	name := named(cmd)
	for _, verb := range []struct {
		name, short string
		do          func(*lab.Cluster, context.Context, string) error
	}{
		{"kill", "End a machine at once, as a power cut does; its disk stays", (*lab.Cluster).Kill},
		{"start", "Boot a machine that is off, from its own disk", (*lab.Cluster).Start},
		{"pause", "Freeze a machine: nothing in it runs, nothing answers for it", (*lab.Cluster).Pause},
		{"resume", "Let a paused machine go on", (*lab.Cluster).Resume},
		{"reboot", "Reboot a machine in good order, and wait until it is up", (*lab.Cluster).Reboot},
		{"heal", "Mend all that is broken in a machine's network", (*lab.Cluster).Heal},
	} {
		cmd.AddCommand(&cobra.Command{
			Use: verb.name + " MACHINE...", Short: verb.short, Args: usage(cobra.MinimumNArgs(1)),
			ValidArgsFunction: machineNames(name),
			RunE: func(cmd *cobra.Command, machines []string) error {
				c, err := lab.Open(*name)
				for i := 0; err == nil && i < len(machines); i++ {
					err = verb.do(c, cmd.Context(), machines[i])
				}
				return coded(err)
			},
		})
	}
	cmd.AddCommand(partition(name), slow(name))
	return cmd
}

func partition(name *string) *cobra.Command {
	var from, oneWay string
	cmd := &cobra.Command{
		Use:   "partition MACHINE [--from OTHER] [--one-way in|out]",
		Short: "Cut a machine off from the others; this host still reaches it",
		Args:  usage(cobra.ExactArgs(1)), ValidArgsFunction: machineNames(name),
	}
	cmd.Flags().StringVar(&from, "from", "", "cut it off from this machine alone")
	cmd.Flags().StringVar(&oneWay, "one-way", "", "in: it hears nothing; out: nothing it says is heard")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		direction := localnet.Both
		switch oneWay {
		case "":
		case "in", "out":
			direction = localnet.Direction(oneWay)
		default:
			return cli.Coded(cli.ExitUsage, fmt.Errorf("--one-way %s: expected in or out", oneWay))
		}
		c, err := lab.Open(*name)
		if err == nil {
			err = c.Partition(cmd.Context(), args[0], from, direction)
		}
		return coded(err)
	}
	return cmd
}

func slow(name *string) *cobra.Command {
	var rate, loss string
	slow := localnet.Slow{}
	cmd := &cobra.Command{
		Use:   "slow MACHINE [--rate 1mbit] [--loss 10%] [--delay 50ms]",
		Short: "Make a machine's network worse, both ways",
		Long: `slow does what this host's kernel can. If it cannot do all that was asked, the
rest is done, the error says what is missing, and the exit code is 1. What was set
before is replaced; heal mends it. A rate or a delay ends when the machine reboots
by itself; it outlasts argosy chaos reboot and kill.`,
		Args: usage(cobra.ExactArgs(1)), ValidArgsFunction: machineNames(name),
	}
	cmd.Flags().StringVar(&rate, "rate", "", "at most so much each way: a number with kbit, mbit or gbit")
	cmd.Flags().StringVar(&loss, "loss", "", "lose this part of all packets, each way: 0% to 100%")
	cmd.Flags().DurationVar(&slow.Delay, "delay", 0, "take so much longer, each way")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var err error
		slow.Machine = args[0]
		if slow.Rate, err = parseRate(rate); err == nil {
			slow.Loss, err = parseLoss(loss)
		}
		if err == nil && (slow.Delay < 0 || slow == localnet.Slow{Machine: args[0]}) {
			err = fmt.Errorf("give at least one of --rate, --loss and --delay, above zero")
		}
		if err != nil {
			return cli.Coded(cli.ExitUsage, err)
		}
		c, err := lab.Open(*name)
		if err == nil {
			err = c.Slow(cmd.Context(), slow)
		}
		return coded(err)
	}
	return cmd
}

// parseRate reads bits a second in tc(8)'s words; "" is no limit.
func parseRate(text string) (uint64, error) {
	if text == "" {
		return 0, nil
	}
	for _, unit := range []struct {
		suffix string
		bits   float64
	}{{"kbit", 1e3}, {"mbit", 1e6}, {"gbit", 1e9}, {"bit", 1}} {
		if number, found := strings.CutSuffix(strings.ToLower(text), unit.suffix); found {
			count, err := strconv.ParseFloat(number, 64)
			if err != nil || !(count*unit.bits >= 1000 && count*unit.bits <= 1e12) {
				break
			}
			return uint64(count * unit.bits), nil
		}
	}
	return 0, fmt.Errorf("--rate %s: expected a number with kbit, mbit or gbit, from 1kbit to 1000gbit", text)
}

// parseLoss reads a percentage; "" is none.
func parseLoss(text string) (int, error) {
	if text == "" {
		return 0, nil
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(text, "%"))
	if err != nil || percent < 0 || percent > 100 {
		return 0, fmt.Errorf("--loss %s: expected 0%% to 100%%", text)
	}
	return percent, nil
}
