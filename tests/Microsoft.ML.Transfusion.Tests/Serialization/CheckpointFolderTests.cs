// What a folder of checkpoints lives through: damage, failing writes, killed processes, two runs at once.
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Serialization;
using Microsoft.ML.Transfusion.Tests.Training;
using Microsoft.ML.Transfusion.Tokenization;
using Microsoft.ML.Transfusion.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Tests.Serialization;

public sealed class CheckpointFolderTests : IDisposable
{
    private static readonly byte[] Contents = Write();

    private readonly TemporaryFolder _temporary = new();

    private string Folder => _temporary.File("run");

    private string[] Names => [.. Directory.GetFiles(Folder).Select(Path.GetFileName).Where(name => name != ".lock").Order(StringComparer.Ordinal)!];

    public void Dispose() => _temporary.Dispose();

    [Fact]
    public void Write_keeps_the_newest_and_deletes_older_ones_only_then()
    {
        using CheckpointFolder folder = CheckpointFolder.Open(Folder);
        for (int step = 5; step <= 25; step += 5)
        {
            folder.Write(step, kept: 2, stream =>
            {
                Assert.Equal(Math.Min(2, step / 5 - 1), CheckpointFolder.List(Folder).Count);
                stream.Write(Contents);
            });
        }
        Assert.Equal(["step-00000020.checkpoint", "step-00000025.checkpoint"], Names);
        Assert.Equal([25, 20], CheckpointFolder.List(Folder).Select(file => file.Step));
    }

    [Fact]
    public void Write_that_fails_keeps_every_earlier_checkpoint_and_leaves_nothing_half_written()
    {
        using CheckpointFolder folder = CheckpointFolder.Open(Folder);
        folder.Write(1, kept: 1, stream => stream.Write(Contents));
        Assert.Throws<IOException>(() => folder.Write(2, kept: 1, stream =>
        {
            stream.Write(Contents.AsSpan(0, Contents.Length / 2));
            throw new IOException("No space left on device");
        }));
        Assert.Equal(["step-00000001.checkpoint"], Names);
        CheckpointFolder.OpenNewest(Folder, (_, reason) => Assert.Fail(reason.Message))!.Dispose();
    }

    [Fact]
    public void Open_removes_what_a_killed_process_left_half_written_and_nothing_else()
    {
        Directory.CreateDirectory(Folder);
        string[] kept = ["notes.txt", "step-00000001.checkpoint", "step-00000002.checkpoint.damaged", ".model.bin.0123456789abcdef0123456789abcdef.tmp"];
        foreach (string name in (string[])[.. kept, ".step-00000002.checkpoint.0123456789abcdef0123456789abcdef.tmp"])
            File.WriteAllBytes(Path.Combine(Folder, name), Contents);

        CheckpointFolder.Open(Folder).Dispose();

        Assert.Equal(kept.Order(StringComparer.Ordinal), Names);
    }

    [Fact]
    public void Open_refuses_a_folder_that_another_run_writes_to_until_that_ends()
    {
        using (CheckpointFolder.Open(Folder))
            Assert.Contains(Folder, Assert.Throws<IOException>(() => CheckpointFolder.Open(Folder)).Message, StringComparison.Ordinal);
        CheckpointFolder.Open(Folder).Dispose();
        Assert.Throws<IOException>(() => CheckpointFolder.Open(Path.Combine(Folder, ".lock")));
    }

    [Fact]
    public void OpenNewest_passes_over_a_newest_one_that_is_damaged_anywhere_and_says_so()
    {
        var random = new Random(1);
        for (int trial = 0; trial < 200; trial++)
        {
            byte[] damaged = [.. Contents];
            damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
            if (trial % 2 == 0)
                damaged = damaged[..random.Next(damaged.Length)];
            Store((1, Contents), (2, damaged));
            List<(string File, Exception Reason)> passedOver = [];

            using Checkpoint checkpoint = CheckpointFolder.OpenNewest(Folder, (file, reason) => passedOver.Add((file, reason)))!;

            Assert.Equal(Path.Combine(Folder, "step-00000001.checkpoint"), checkpoint.Path);
            Assert.Equal(Path.Combine(Folder, "step-00000002.checkpoint"), Assert.Single(passedOver).File);
            Assert.IsType<FormatException>(passedOver[0].Reason);
        }
    }

    [Fact]
    public void OpenNewest_names_the_folder_and_the_reason_for_each_file_when_none_is_whole()
    {
        Store((1, Contents[..^1]), (2, []), (3, Contents[1..]));
        int passedOver = 0;
        string message = Assert.Throws<FormatException>(() => CheckpointFolder.OpenNewest(Folder, (_, _) => passedOver++)).Message;
        Assert.All((string[])[Folder, "step-00000001.checkpoint: ", "step-00000002.checkpoint: ", "step-00000003.checkpoint: ", "damaged"],
            part => Assert.Contains(part, message, StringComparison.Ordinal));
        Assert.Equal(3, passedOver);
    }

    [Fact]
    public void OpenNewest_finds_none_where_there_is_none()
    {
        Assert.Null(CheckpointFolder.OpenNewest(Folder, (_, _) => Assert.Fail("There is nothing to pass over.")));
        Store();
        Assert.Null(CheckpointFolder.OpenNewest(Folder, (_, _) => Assert.Fail("There is nothing to pass over.")));
    }

    [Fact]
    public void SetAsideAfter_keeps_what_cannot_be_loaded_under_a_name_that_is_not_counted()
    {
        Store((1, Contents), (2, [7]), (3, [8]));
        using CheckpointFolder folder = CheckpointFolder.Open(Folder);
        Assert.Equal(2, folder.SetAsideAfter(1).Count);
        Assert.Equal([1], CheckpointFolder.List(Folder).Select(file => file.Step));
        Assert.Equal([7], File.ReadAllBytes(Path.Combine(Folder, "step-00000002.checkpoint.damaged")));
    }

    private void Store(params (int Step, byte[] Contents)[] checkpoints)
    {
        Directory.CreateDirectory(Folder);
        foreach ((int step, byte[] contents) in checkpoints)
            File.WriteAllBytes(Path.Combine(Folder, $"step-{step:D8}.checkpoint"), contents);
    }

    private static byte[] Write()
    {
        using var scope = NewDisposeScope();
        using TransfusionNetwork network = TinyNetwork.Create();
        using var state = new TrainingState(network, new TrainingOptions(new OptimizerConfig(), 1, null, 1, TrainingPrecision.Float32, CPU));
        using var stream = new MemoryStream();
        Checkpoint.Write(stream, new CheckpointRecord(1, new Dictionary<string, string>(), "none", null, CheckpointCounters.Of(state)), TextTokenizer.Train(["a"], 256), state);
        return stream.ToArray();
    }
}
