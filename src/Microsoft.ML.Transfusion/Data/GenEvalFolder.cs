// GenEval (Ghosh et al. 2023): its list of prompts, and drawings in the folders that its evaluation walks.
using System.Text.Json;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Imaging;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Data;

/// <param name="Line">The object as it stands in the file.</param>
internal sealed record GenEvalPrompt(string Prompt, string Line);

internal static class GenEvalFolder
{
    public static GenEvalPrompt[] ReadPrompts(string path)
    {
        GenEvalPrompt[] prompts = [.. File.ReadLines(path).Index().Where(line => !string.IsNullOrWhiteSpace(line.Item)).Select(line => Parse(line.Item, path, line.Index + 1))];
        return prompts.Length > 0 ? prompts : throw new FormatException($"{path} has no prompts.");
    }

    public static void Save(IExceptionContext context, TransfusionModel model, GenEvalPrompt[] prompts, string folder, GenerationOptions options,
        int samplesPerPrompt, int batchSize, CancellationToken cancellationToken)
    {
        ImageFolder.CreateEmpty(context, folder);
        foreach ((int number, GenEvalPrompt prompt) in prompts.Index())
        {
            Directory.CreateDirectory(SamplesOf(folder, number));
            File.WriteAllText(Path.Combine(folder, $"{number:d5}", "metadata.jsonl"), prompt.Line);
        }
        for (int sample = 0; sample < samplesPerPrompt; sample++)
        {
            GenerationOptions seeded = options with { Seed = options.Seed + sample };
            foreach ((int Index, GenEvalPrompt Item)[] batch in prompts.Index().Chunk(batchSize))
            {
                Tensor[] drawings = model.GenerateImageBatch([.. batch.Select(prompt => prompt.Item.Prompt)], seeded, cancellationToken);
                for (int i = 0; i < drawings.Length; i++)
                {
                    using Tensor pixels = drawings[i];
                    using MLImage image = ImageTensors.ToImage(pixels);
                    image.Save(Path.Combine(SamplesOf(folder, batch[i].Index), $"{sample:d4}.png"));
                }
            }
        }
    }

    private static string SamplesOf(string folder, int number) => Path.Combine(folder, $"{number:d5}", "samples");

    private static GenEvalPrompt Parse(string line, string path, int number)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(line);
            if (json.RootElement.GetProperty("prompt").GetString() is { Length: > 0 } prompt)
                return new GenEvalPrompt(prompt, line);
        }
        catch (Exception exception) when (exception is JsonException or InvalidOperationException or KeyNotFoundException)
        {
            throw Malformed(path, number, exception);
        }
        throw Malformed(path, number, null);
    }

    private static FormatException Malformed(string path, int number, Exception? cause) =>
        new($"{path}, line {number}: expected a JSON object with the string prompt, as in GenEval's evaluation_metadata.jsonl.", cause);
}
