#!/usr/bin/perl
# A server of any name: says in $RECORD which of its processes got which signal, and ends a second later, unless
# STUBBORN. WORKERS is how many children of its name it has, TITLE what it calls itself. `-s quit` is nginx's.
use strict;
my @workers;
my $role = "master";

if (@ARGV && $ARGV[0] eq "-s") {
    open(my $file, "<", "$ENV{RECORD}.pid") or exit 1;
    exit(kill("QUIT", <$file>) ? 0 : 1);
}
sub record {
    open(my $file, ">>", $ENV{RECORD}) or die;
    print $file "$role $_[0]\n";
}
for my $signal (qw(QUIT TERM USR1)) {
    $SIG{$signal} = sub {
        record($signal);
        return if $ENV{STUBBORN};
        sleep 1;
        kill KILL => @workers;
        record("ended");
        exit 0;
    };
}
for (1 .. $ENV{WORKERS} // 0) {
    my $pid = fork // die;
    if ($pid == 0) { $role = "worker"; @workers = (); sleep 1 while 1; }
    push @workers, $pid;
}
open(my $file, ">", "$ENV{RECORD}.pid") or die;
print $file $$;
close $file;
$0 = $ENV{TITLE} if $ENV{TITLE};
rename "$ENV{RECORD}.pid", "$ENV{RECORD}.new" if $ENV{NO_PID_FILE};
open($file, ">", "$ENV{RECORD}.ready") or die;
close $file;
sleep 1 while 1;
