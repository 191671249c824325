# Settings of the Vagrantfile beside this file.

# How many machines. The first three are members of etcd, the rest are workers.
$num_instances = 3

# Where updates of the system are to come from: stable, beta or alpha. It is
# written to /etc/argosy/update.conf; nothing reads it there yet.
$update_channel = "stable"

# Of each machine.
$vm_memory = 1024
$vm_cpus = 1
