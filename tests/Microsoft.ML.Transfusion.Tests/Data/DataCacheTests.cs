using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;

namespace Microsoft.ML.Transfusion.Tests.Data;

public class DataCacheTests
{
    private static readonly IHostEnvironment Environment = new MLContext(1);

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(100_000)]
    [InlineData(0)]
    public void What_was_written_is_read_wherever_it_is_kept(long memory)
    {
        using var folder = new TemporaryFolder();
        using var cache = new DataCache(Environment, memory, folder.Path);
        var random = new Random(1);
        List<(long Address, byte[] Bytes)> written = [];
        for (int i = 0; i < 2000; i++)
        {
            byte[] bytes = new byte[random.Next(i == 1000 ? 3_000_000 : 3000)];
            random.NextBytes(bytes);
            bytes.CopyTo(cache.Allocate(bytes.Length, out long address));
            written.Add((address, bytes));
        }

        Assert.All(written, record => Assert.True(cache.At(record.Address, record.Bytes.Length).SequenceEqual(record.Bytes)));
        Assert.InRange(cache.InMemory, 0, memory);
        Assert.Equal(memory < long.MaxValue, cache.OnDisk > 0);
        long total = written.Sum(record => record.Bytes.Length);
        Assert.InRange(cache.InMemory + cache.OnDisk, total, 3 * total + (1 << 20));
    }

    [Fact]
    public void Changes_stay()
    {
        using var cache = new DataCache(Environment, 8, null);
        cache.Allocate(3, out _);
        cache.Allocate(2 * sizeof(long), out long address);
        cache.At<long>(address, 2)[1] = 5;

        Assert.Equal(5, cache.At<long>(address, 2)[1]);
    }

    [SkippableFact]
    public void Files_have_no_name_that_could_stay_behind()
    {
        Skip.If(OperatingSystem.IsWindows(), "There the file has its name until its last handle is closed, and the system removes it then.");
        using var folder = new TemporaryFolder();
        using var cache = new DataCache(Environment, 0, folder.Path);
        cache.Allocate(10, out _);

        Assert.True(cache.OnDisk > 0);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Folder_that_does_not_take_the_data_is_named_with_the_options_that_help()
    {
        using var folder = new TemporaryFolder();
        string absent = folder.File("absent");
        using var cache = new DataCache(Environment, 0, absent);

        var error = Assert.Throws<InvalidOperationException>(() => cache.Allocate(10, out _));
        Assert.Contains(absent, error.Message, StringComparison.Ordinal);
        Assert.Contains("CacheFolder", error.Message, StringComparison.Ordinal);
        Assert.Contains("CacheMemory", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Disk_that_is_too_small_is_an_error_before_anything_is_written()
    {
        using var folder = new TemporaryFolder();

        var error = Assert.Throws<InvalidOperationException>(() => MappedFile.Create(Environment, folder.Path, 1L << 60));
        Assert.Contains(folder.Path, error.Message, StringComparison.Ordinal);
        Assert.IsAssignableFrom<IOException>(error.InnerException);
        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void File_is_closed_to_readers_once_the_cache_is_disposed()
    {
        var file = MappedFile.Create(Environment, Path.GetTempPath(), 4096);
        ((IDisposable)file).Dispose();
        ((IDisposable)file).Dispose();

        Assert.Throws<ObjectDisposedException>(() => file.GetSpan().Length);
    }
}
