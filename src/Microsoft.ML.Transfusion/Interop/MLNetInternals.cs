// The only file that touches members of ML.NET that are not public: an outside assembly cannot save, load or describe columns without them.
// The build compiles against copies in which they are public (src/build/PublicizeReferences.targets); the runtime lets us in by the
// attribute below. A type that ML.NET drops is a build error, never a surprise at run time.
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transfusion.Data;
using Microsoft.ML.Transfusion.Interop;
using Microsoft.ML.Transfusion.Serialization;
using static TorchSharp.torch;

[assembly: System.Runtime.CompilerServices.IgnoresAccessChecksTo("Microsoft.ML.Core")]
[assembly: System.Runtime.CompilerServices.IgnoresAccessChecksTo("Microsoft.ML.Data")]
[assembly: LoadableClass(typeof(ITransformer), typeof(MLNetInternals), null, typeof(SignatureLoadModel), "", MLNetInternals.LoaderSignature)]
[assembly: LoadableClass(typeof(ITransformer), typeof(MLNetInternals.AutoencoderLoader), null, typeof(SignatureLoadModel), "", MLNetInternals.AutoencoderLoader.Signature)]

namespace System.Runtime.CompilerServices
{
    [AttributeUsage(AttributeTargets.Assembly, AllowMultiple = true)]
    internal sealed class IgnoresAccessChecksToAttribute(string assemblyName) : Attribute
    {
        public string AssemblyName { get; } = assemblyName;
    }
}

namespace Microsoft.ML.Transfusion.Interop
{
    internal static class MLNetInternals
    {
        public const string LoaderSignature = "TransfusionTransform";
        private const string ModelEntry = "Model";
        private static readonly JsonSerializerOptions Json = new() { Converters = { new JsonStringEnumConverter() } };

        private static VersionInfo Version => VersionOf("TRFUSION", LoaderSignature);

        private static VersionInfo VersionOf(string modelSignature, string loaderSignature) => new(
            modelSignature: modelSignature,
            verWrittenCur: 0x00010001,                             // initial
            verReadableCur: 0x00010001,
            verWeCanReadBack: 0x00010001,
            loaderSignature: loaderSignature,
            loaderAssemblyName: typeof(MLNetInternals).Assembly.GetName().Name);   // without a version: a newer library loads older models

        public static void Save(ModelSaveContext context, ScoringConfig scoring, TransfusionModel model)
        {
            context.CheckAtModel();
            context.SetVersionInfo(Version);
            context.SaveNonEmptyString(JsonSerializer.Serialize(scoring, Json));
            context.SaveBinaryStream(ModelEntry, writer => model.Save(writer.BaseStream));
        }

        public static void Save(ModelSaveContext context, ReconstructionConfig config, Action<Stream> write)
        {
            context.CheckAtModel();
            context.SetVersionInfo(AutoencoderLoader.Version);
            context.SaveNonEmptyString(JsonSerializer.Serialize(config, Json));
            context.SaveBinaryStream(ModelEntry, writer => write(writer.BaseStream));
        }

        [SuppressMessage("CodeQuality", "IDE0051", Justification = "ML.NET finds the loader by this name, return type and signature.")]
        [SuppressMessage("Performance", "CA1859", Justification = "The return type is part of what ML.NET looks for.")]
        private static ITransformer Create(IHostEnvironment environment, ModelLoadContext context)
        {
            Device device = ContextDevice.Of(environment);
            TransfusionModel? model = null;
            try
            {
                context.CheckAtModel(Version);
                ScoringConfig scoring = JsonSerializer.Deserialize<ScoringConfig>(context.LoadNonEmptyString(), Json)
                    ?? throw new FormatException("The model's column names are missing.");
                if (!context.TryLoadBinaryStream(ModelEntry, reader => model = TransfusionModel.Load(reader.BaseStream, device)))
                    throw new FormatException("The model file holds no Transfusion network.");
                return new TransfusionTransformer(environment, model!, scoring, ownsModel: true);
            }
            catch (Exception exception) when (exception is FormatException or JsonException or EndOfStreamException or InvalidDataException)
            {
                // ML.NET wraps what a loader throws several times over. Ours says what to do, so it is the innermost: GetBaseException() finds it.
                throw environment.Process(new FormatException(exception is FormatException ? exception.Message : $"The Transfusion model is damaged: {exception.Message}"));
            }
        }

        /// <summary>ML.NET looks for one loader in a class.</summary>
        internal static class AutoencoderLoader
        {
            public const string Signature = "TransfusionAutoencoder";

            public static VersionInfo Version => VersionOf("TRFUSAUT", Signature);

            [SuppressMessage("CodeQuality", "IDE0051", Justification = "ML.NET finds the loader by this name, return type and signature.")]
            [SuppressMessage("Performance", "CA1859", Justification = "The return type is part of what ML.NET looks for.")]
            private static ITransformer Create(IHostEnvironment environment, ModelLoadContext context)
            {
                ContextDevice.Of(environment);
                StoredAutoencoder? stored = null;
                try
                {
                    context.CheckAtModel(Version);
                    ReconstructionConfig config = JsonSerializer.Deserialize<ReconstructionConfig>(context.LoadNonEmptyString(), Json)
                        ?? throw new FormatException("The autoencoder's column names are missing.");
                    if (!context.TryLoadBinaryStream(ModelEntry, reader => stored = AutoencoderArchive.Read(reader.BaseStream)))
                        throw new FormatException("The model file holds no autoencoder.");
                    return new ImageAutoencoderTransformer(environment, ImageAutoencoder.Of(stored!), config);
                }
                catch (Exception exception) when (exception is FormatException or JsonException or EndOfStreamException or InvalidDataException)
                {
                    throw environment.Process(new FormatException(exception is FormatException ? exception.Message : $"The autoencoder is damaged: {exception.Message}"));
                }
            }
        }

        public static SchemaShape.Column Column(string name, DataViewType type, params ReadOnlySpan<SchemaShape.Column> annotations)
        {
            SchemaShape.GetColumnTypeShape(type, out SchemaShape.Column.VectorKind kind, out DataViewType itemType, out bool isKey);
            return new SchemaShape.Column(name, kind, itemType, isKey, new SchemaShape(annotations.ToArray()));
        }

        public static SchemaShape ShapeOf(DataViewSchema schema) => SchemaShape.Create(schema);

        public static IHostEnvironment EnvironmentOf(TransformsCatalog catalog) => ((IInternalCatalog)catalog).Environment;

        public static int? SeedOf(IHostEnvironment environment) => (environment as IHostEnvironmentInternal)?.Seed;

        public static (int? GpuDeviceId, bool FallbackToCpu) DeviceOf(IHostEnvironment environment) =>
            environment is IHostEnvironmentInternal context ? (context.GpuDeviceId, context.FallbackToCpu) : (null, true);

        /// <exception cref="OperationCanceledException">The context's execution was cancelled, as AutoML does to end a trial.</exception>
        public static void CheckAlive(IHostEnvironment environment)
        {
            if (environment is ICancelable { IsCanceled: true })
                throw environment.Process(new OperationCanceledException("The MLContext's execution was cancelled."));
        }
    }
}
