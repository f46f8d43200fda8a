# Puts something hostile at each of the places, as the user that runs this; what was there is kept next to it.
# perl -e SCRIPT KIND PLACE...    KIND `away` restores what was there.
# A place counts as planted only while its inode is still ours: Prosody recreates some of these files when it starts.
use strict;
use Fcntl;
use File::Path qw(make_path remove_tree);
use IO::Socket::UNIX;
use POSIX qw(mkfifo setsid);

my ($kind, @places) = @ARGV;
my $ledger = '/dev/shm/planted-by-the-test';
my %planted;
if (open my $known, '<', $ledger) {
    while (<$known>) { $planted{$2} = $1 if /^(\d+) (.*)$/ }
}
# The previous run's writer.
kill 'KILL', delete $planted{writer} if $planted{writer};

my $junk = "root::0:0::/:/bin/sh\n../../../etc/shadow\n%s%n\033]0;x\007\0\x{ff}\n1\n" . ('9' x 200_000);
my @pipes;

sub remove { my ($path) = @_; chdir '/'; -d $path && !-l $path ? remove_tree($path) : unlink $path }

for my $place (@places) {
    my $inode = (lstat $place)[1];
    my $kept = "$place.kept-by-the-test";
    if (defined $inode && defined $planted{$place} && $planted{$place} == $inode) {
        remove($place);
    } elsif (defined $inode && $kind ne 'away') {
        remove($kept);
        rename $place, $kept or next;
    }
    delete $planted{$place};
    if ($kind eq 'away') {
        rename $kept, $place if !lstat($place) && lstat($kept);
        next;
    }
    my ($folder, $name) = $place =~ m{^(.*)/([^/]*)$};
    make_path($folder, { error => \my $errors });
    chdir $folder or next;
    if ($kind eq 'file') { open my $file, '>', $name or next; print $file $junk }
    elsif ($kind eq 'fifo') { mkfifo($name, 0666) }
    elsif ($kind eq 'chatter') {
        mkfifo($name, 0666);
        # Both ends, so that opening it does not block.
        sysopen my $pipe, $name, O_RDWR | O_NONBLOCK or next;
        push @pipes, $pipe;
    }
    elsif ($kind eq 'shadow' || $kind eq 'passwd') { symlink "/etc/$kind", $name }
    elsif ($kind eq 'zero') { symlink '/dev/zero', $name }
    elsif ($kind eq 'folder') { make_path("$name/below", { error => \my $none }) }
    elsif ($kind eq 'sparse') { open my $file, '>', $name or next; truncate $file, 1 << 30 }
    elsif ($kind eq 'loop') { symlink $name, $name }
    elsif ($kind eq 'socket') { IO::Socket::UNIX->new(Local => $name, Listen => 1) }
    else { die "no such kind: $kind\n" }
    my $now = (lstat $name)[1];
    $planted{$place} = $now if defined $now;
}

# A background process writes to the pipes for as long as the test may take.
my $writer = @pipes ? fork : undef;
if (!defined $writer || $writer) {
    $planted{writer} = $writer if $writer;
    open my $known, '>', $ledger or die "$ledger: $!\n";
    print $known "$planted{$_} $_\n" for sort keys %planted;
    close $known;
    exit 0;
}
setsid();
open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
my $end = time + 600;
while (time < $end) {
    my ($ready, $bits) = ('', '');
    vec($bits, fileno($_), 1) = 1 for @pipes;
    select(undef, $ready = $bits, undef, 1);
    for my $pipe (@pipes) { syswrite $pipe, "hostile\n" x 512 if vec($ready, fileno($pipe), 1) }
    select(undef, undef, undef, 0.002);
}
