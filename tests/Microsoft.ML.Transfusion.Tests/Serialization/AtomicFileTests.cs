using Microsoft.ML.Transfusion.Serialization;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public sealed class AtomicFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("atomic").FullName;

    private string Target => Path.Combine(_folder, "model.bin");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Write_creates_and_replaces()
    {
        AtomicFile.Write(Target, stream => stream.Write([1, 2, 3]));
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Target));
        AtomicFile.Write(Target, stream => stream.Write([4]));
        Assert.Equal([4], File.ReadAllBytes(Target));
        Assert.Equal([Target], Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void Write_keeps_the_previous_file_when_the_writer_throws_half_way() =>
        KeepsThePreviousFile<InvalidOperationException>(stream => throw new InvalidOperationException("half-way"));

    [SkippableFact]
    public void Write_keeps_the_previous_file_when_a_disk_is_full()
    {
        Skip.IfNot(File.Exists("/dev/full"), "This system has no /dev/full.");
        KeepsThePreviousFile<IOException>(stream =>
        {
            using var full = new FileStream("/dev/full", FileMode.Open, FileAccess.Write);
            full.Write(new byte[1 << 16]);
            full.Flush(flushToDisk: true);
        });
    }

    [Fact]
    public void Write_keeps_the_previous_file_when_the_file_system_takes_no_more() =>
        KeepsThePreviousFile<ArgumentOutOfRangeException>(stream =>   // .NET's name for the system's EFBIG
        {
            stream.Position = long.MaxValue - 100_000;             // past the largest file of any file system
            stream.Write(new byte[50_000]);
        });

    [Fact]
    public void Write_says_when_the_folder_is_missing_and_leaves_nothing()
    {
        Assert.Throws<DirectoryNotFoundException>(() => AtomicFile.Write(Path.Combine(_folder, "no", "model.bin"), stream => stream.WriteByte(1)));
        Assert.Empty(Directory.GetFileSystemEntries(_folder));
    }

    [Fact]
    public void WriteAll_replaces_no_file_before_all_are_written()
    {
        File.WriteAllBytes(Target, [1]);
        string second = Path.Combine(_folder, "second.bin");
        Assert.Throws<InvalidOperationException>(() => AtomicFile.WriteAll([(Target, stream => stream.WriteByte(2)), (second, _ => throw new InvalidOperationException("full"))]));
        Assert.Throws<IOException>(() => AtomicFile.WriteAll([(Target, stream => stream.WriteByte(2)), (second, stream => stream.WriteByte(3))], () => throw new IOException("not yet")));
        Assert.Equal([1], File.ReadAllBytes(Target));
        Assert.Equal([Target], Directory.GetFileSystemEntries(_folder));

        AtomicFile.WriteAll([(Target, stream => stream.WriteByte(2)), (second, stream => stream.WriteByte(3))], () => Assert.Equal([1], File.ReadAllBytes(Target)));
        Assert.Equal([2, 3], [.. File.ReadAllBytes(Target), .. File.ReadAllBytes(second)]);
        Assert.Equal([Target, second], Directory.GetFileSystemEntries(_folder).Order(StringComparer.Ordinal));
    }

    private void KeepsThePreviousFile<TException>(Action<Stream> fail) where TException : Exception
    {
        File.WriteAllBytes(Target, [1, 2, 3]);
        Assert.Throws<TException>(() => AtomicFile.Write(Target, stream =>
        {
            stream.Write(new byte[100_000]);
            fail(stream);
        }));
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Target));
        Assert.Equal([Target], Directory.GetFileSystemEntries(_folder));
    }
}
