// A random network of a given size, ready to generate, and what the generation benchmarks have in common.
using System.CommandLine;
using System.Text.Json;
using Microsoft.ML.Transfusion.Diffusion;
using Microsoft.ML.Transfusion.Generation;
using Microsoft.ML.Transfusion.Modeling;
using Microsoft.ML.Transfusion.Sequences;
using Microsoft.ML.Transfusion.Torch;
using static TorchSharp.torch;

namespace Microsoft.ML.Transfusion.Benchmarks;

internal sealed class GenerationBench : IDisposable
{
    public const int Vocabulary = 2048;
    private readonly TransfusionNetwork _network;

    public GenerationBench(int dim, int layers, int heads, int threads)
    {
        NativeTorch.Require();
        set_num_threads(threads);
        Config = new TransfusionConfig
        {
            Transformer = TransformerConfig.Tiny with { HiddenSize = dim, NumberOfLayers = layers, NumberOfHeads = heads, MaxSequenceLength = 1024 },
            Image = new ImageCodecConfig { ImageHeight = 32, ImageWidth = 32, PatchSize = 4 },
            Diffusion = DiffusionConfig.Minutes,
        };
        _network = new TransfusionNetwork(Config.Transformer, Vocabulary, StepShape.PatchVectorSize, Config.Grid.PatchCount);
        using (var generator = new TorchSharp.torch.Generator(1, CPU))
            _network.Initialize(generator);
        _network.eval();
        Inference = new CpuInference(_network);
        Diffusion = DiffusionProcess.Create(Config.Diffusion, CPU);
    }

    public TransfusionConfig Config { get; }

    public CpuInference Inference { get; }

    public DiffusionProcess Diffusion { get; }

    public double MillionWeights => _network.parameters().Sum(parameter => parameter.numel()) / 1e6;

    public SequenceGenerator CreateGenerator() => new(Inference, Config, new SpecialTokens(0, 1, 2, 3, 4), Vocabulary, Diffusion);

    /// <summary>A prompt of so many positions, BOS included.</summary>
    public static Document Prompt(int positions, int seed)
    {
        var random = new Random(seed);
        return new Document([new TextPart([.. Enumerable.Range(0, positions - 1).Select(_ => random.Next(5, Vocabulary))])]);
    }

    public static Option<int> Threads => TrainStepCommand.Number("--threads", "Threads; one is timed by processor time, more by the wall clock.", 1);

    public static void PrintJson(object values) => Console.WriteLine(JsonSerializer.Serialize(values));

    public void Dispose()
    {
        Inference.Dispose();
        Diffusion.Dispose();
        _network.Dispose();
    }
}
