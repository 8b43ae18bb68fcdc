// The folder that one run keeps its checkpoints in: step-00001234.checkpoint and so on. A checkpoint has its name only when it is whole and
// on the disk; older ones go only after that. What a killed process left half-written is removed when the next one begins.
using System.Globalization;
using System.Text.RegularExpressions;

namespace Microsoft.ML.Transfusion.Serialization;

/// <summary>A folder that this process writes to, and while it does no other.</summary>
internal sealed partial class CheckpointFolder : IDisposable
{
    private const string LockFile = ".lock";
    private const string SetAsideExtension = ".damaged";

    private readonly string _path;
    private readonly FileStream _lock;

    private CheckpointFolder(string path, FileStream theLock) => (_path, _lock) = (path, theLock);

    /// <summary>Makes the folder where there is none, locks it, and removes what earlier processes left half-written.</summary>
    /// <exception cref="IOException">The folder cannot be made or written, or another process is writing to it.</exception>
    public static CheckpointFolder Open(string path)
    {
        FileStream theLock;
        try
        {
            Directory.CreateDirectory(path);
            theLock = new FileStream(Path.Combine(path, LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"CheckpointFolder '{path}' cannot be written, or another run writes to it: {exception.Message}", exception);
        }
        foreach (string file in Directory.EnumerateFiles(path).Where(file => TemporaryName().IsMatch(Path.GetFileName(file))).ToList())
            File.Delete(file);
        return new CheckpointFolder(path, theLock);
    }

    /// <summary>The checkpoints of a folder, the newest first; none where there is no such folder.</summary>
    public static IReadOnlyList<(int Step, string Path)> List(string path) => !Directory.Exists(path) ? [] :
    [
        .. Directory.EnumerateFiles(path).Select(file => (Name: CheckpointName().Match(Path.GetFileName(file)), File: file)).Where(file => file.Name.Success)
            .Select(file => (int.Parse(file.Name.Groups[1].ValueSpan, CultureInfo.InvariantCulture), file.File)).OrderDescending(),
    ];

    /// <summary>Opens the newest checkpoint that is whole; null where there is none at all.</summary>
    /// <param name="passedOver">Told about each newer one that is not, with the reason.</param>
    /// <exception cref="FormatException">There are checkpoints, and none is whole.</exception>
    public static Checkpoint? OpenNewest(string path, Action<string, Exception> passedOver)
    {
        IReadOnlyList<(int, string)> files = List(path);
        List<string> reasons = [];
        foreach ((_, string file) in files)
        {
            try
            {
                return Checkpoint.Open(file);
            }
            catch (Exception exception) when (exception is FormatException or IOException or UnauthorizedAccessException)
            {
                reasons.Add($"{Path.GetFileName(file)}: {exception.Message}");
                passedOver(file, exception);
            }
        }
        return files.Count == 0 ? null : throw new FormatException($"No checkpoint in '{path}' can be loaded. {string.Join(" ", reasons)}");
    }

    /// <summary>Writes the checkpoint of a step, then deletes all but the newest <paramref name="kept"/>.</summary>
    public void Write(int step, int kept, Action<Stream> write)
    {
        AtomicFile.Write(Path.Combine(_path, $"step-{step:D8}.checkpoint"), write);
        foreach ((_, string file) in List(_path).Skip(kept))
            File.Delete(file);
    }

    /// <summary>Takes the name from checkpoints after a step, which could not be loaded: they would be counted among the newest, and yet are not lost.</summary>
    /// <returns>Their names now.</returns>
    public IReadOnlyList<string> SetAsideAfter(int step)
    {
        List<string> names = [];
        foreach ((_, string file) in List(_path).Where(file => file.Step > step))
        {
            names.Add(file + SetAsideExtension);
            File.Move(file, names[^1], overwrite: true);
        }
        return names;
    }

    public void Dispose() => _lock.Dispose();

    [GeneratedRegex(@"^step-(\d{8,9})\.checkpoint$")]
    private static partial Regex CheckpointName();

    [GeneratedRegex(@"^\.step-\d{8,10}\.checkpoint\.[0-9a-f]{32}\.tmp$")]
    private static partial Regex TemporaryName();
}
